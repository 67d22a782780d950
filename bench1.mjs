import { assembleEventLoop } from "./dist/src/runtime/event-loop.js";
import { createSqliteStore } from "./dist/src/stores/sqlite/store.js";
import { createSystemClock } from "./dist/src/app/system-clock.js";
import { createSystemRandom } from "./dist/src/app/system-random.js";
import { createEchoAgent } from "./dist/src/agents/echo.js";
import { createFakeChannel, createFakePlatform } from "./dist/src/testing/fake-channel.js";
const clock=createSystemClock(); const log={debug(){},info(){},warn(f,l){console.log('WARN',l,f)},error(f,l){console.log('ERR',l,f)}};
const { rmSync } = await import("node:fs"); rmSync("/tmp/b1",{recursive:true,force:true});
const platform=createFakePlatform({keptMax:0});
const loop=assembleEventLoop({store:createSqliteStore({file:"/tmp/b1/x.db",clock}),clock,random:createSystemRandom(),log,agent:createEchoAgent({clock}),channels:[createFakeChannel({clock,platform,name:"sim",batchMax:1000})],limits:{concurrentTurns:1000,inboxPerChat:10000}});
await loop.start();
const N=Number(process.argv[2]??50000), C=1000;
for(let i=0;i<N;i++) platform.post({chat:`sim:${i%C}`,address:String(i%C),externalId:String(i),content:[{type:"text",text:"hello "+i}],sender:{id:"1"}});
const t=performance.now(); const cpu=process.cpuUsage(); const elu=performance.eventLoopUtilization();
await platform.until(()=>platform.takenCount()>=N);
const dt=performance.now()-t; const c=process.cpuUsage(cpu); console.log({perSec:Math.round(N/dt*1000), ms:Math.round(dt), cpuUser:c.user/1000, cpuSys:c.system/1000, elu:performance.eventLoopUtilization(elu).utilization});
await loop.shutdown();
console.log("batches",globalThis.__b,"ops",globalThis.__n)
