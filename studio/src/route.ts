// Where the visitor is: the address after the #, so that every screen can be
// linked to and the browser's back works.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

export const path = computed(() =>
  hash.value.replace(/^#\/?/, "").split("?")[0].split("/").filter(Boolean).map((s) => {
    try {
      return decodeURIComponent(s);
    } catch {
      return s;
    }
  }),
);

export const link = (...parts: string[]) => "#/" + parts.map(encodeURIComponent).join("/");

export function go(...parts: string[]) {
  location.hash = link(...parts);
}
