// Drawn signs: the same on every machine, whatever fonts it has.
import { h } from "preact";

const paths = {
  play: "M7 5v14l12-7z",
  back: "M6 5v14M19 5v14l-9-7z",
  on: "M18 5v14M5 5v14l9-7z",
  pause: "M5 5v14l8-7zM17 5v14M21 5v14",
  loop: "M4 12a7 7 0 0 1 7-7h8m-3-3 3 3-3 3M20 12a7 7 0 0 1-7 7H5m3 3-3-3 3-3",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  bin: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  clip: "M19 11.5 12 18.5a4.2 4.2 0 0 1-6-6l7.5-7.5a2.8 2.8 0 0 1 4 4L10 16.5a1.4 1.4 0 0 1-2-2l6.5-6.5",
  create: "M4 5h16v14H4zM10 9v6l5-3z",
  characters: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.5 10h.01M15.5 10h.01M8 14.5c2 2.5 6 2.5 8 0",
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  console: "M4 6h10M18 6h2M4 12h2M10 12h10M4 18h8M16 18h4M14 4v4M6 10v4M12 16v4",
} as const;

export function Icon({ name }: { name: keyof typeof paths }) {
  return <svg class="sign" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false"><path d={paths[name]} /></svg>;
}
