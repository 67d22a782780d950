import { createMemoryStore } from "./src/stores/memory.ts"; import { simulate } from "./src/testing/simulator.ts";
const [from,to]=process.argv.slice(2).map(Number); let bad=0, crashes=0;
for(let seed=from!;seed<to!;seed++){ const r=await simulate({seed,openStore:createMemoryStore, crashes: seed%7, messages: 20+seed%30, limits: seed%3===0?{idleTimeoutMs:1000}:{}}); crashes+=r.crashes; if(r.violations.length){bad++; if(bad<6) console.log(seed,r.violations);} }
console.log({bad,crashes});
