const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  pen: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  bin: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12",
  send: "M12 19V6M6 11.500l6-6 6 6",
  stop: "M8 8h8v8H8z",
  down: "M12 5v13M6 12.500l6 6 6-6",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  logo: "M8.500 5.500h7a4.500 4.500 0 0 1 4.500 4.500v3a4.500 4.500 0 0 1-4.500 4.500h-3L8 21v-3.500a4.500 4.500 0 0 1-4-4.500v-3a4.500 4.500 0 0 1 4.500-4.500zM9.500 11.500h.01M14.500 11.500h.01",
} as const;

/** A line drawing in the colour of the text around it; never the only name of a button. */
export function Icon({ name }: { readonly name: keyof typeof PATHS }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
