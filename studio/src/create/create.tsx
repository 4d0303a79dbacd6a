// The room where clips and pictures are made.
import { h } from "preact";
import { useEffect } from "preact/hooks";
import { key } from "../net";
import { t } from "../say";
import { Gallery } from "./gallery";
import { Maker } from "./maker";
import { keys, Stage } from "./stage";
import { Sponsored } from "../sponsored";
import { look, made, refresh, shown } from "./state";

export function Create({ id }: { id: string }) {
  useEffect(() => {
    void refresh().then(() => {
      if (id) void look(id);
      else if (!shown.value) shown.value = made.value[0]?.id ?? "";
    });
  }, [key.value]);
  useEffect(() => {
    if (!id) return;
    shown.value = id;
    void look(id);
  }, [id]);
  useEffect(() => {
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, []);
  const [a, b, c] = t("keysHelp", { a: "\0", b: "\0", c: "\0" }).split("·").map((s) => s.replaceAll("\0", "").trim());
  return (
    <div class="screen create">
      <div class="left"><Maker /><Gallery /></div>
      <div class="right"><Stage /><Sponsored /></div>
      <p class="soft hints"><kbd>/</kbd> {a} <kbd>&lt;</kbd> <kbd>&gt;</kbd> {b} <kbd>←</kbd> <kbd>→</kbd> {c}</p>
    </div>
  );
}
