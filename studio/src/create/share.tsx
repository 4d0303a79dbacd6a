// Sharing a clip: addresses that are good for some days, for whoever has one,
// until they are taken back.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { twice, useAct } from "../act";
import { useRead } from "../console/state";
import { send } from "../net";
import { link } from "../route";
import { day, t } from "../say";
import { Choice, Copy, Field, Loading, Modal, Note } from "../ui";
import type { Video } from "./state";

const spans = [1, 7, 30] as const;

export interface Shared {
  id: string;
  video: string;
  prompt: string;
  url: string;
  created_at: number;
  expires_at: number;
}

// takeBack asks, and makes an address lead nowhere.
export async function takeBack(s: Shared): Promise<void> {
  if (confirm(t("takeBackSure"))) await send("DELETE", `/api/v1/shares/${encodeURIComponent(s.id)}`);
}

export function Share({ v, onClose }: { v: Video; onClose: () => void }) {
  const days = useSignal<(typeof spans)[number]>(7);
  const list = useRead<{ data: Shared[] }>(`/api/v1/shares?video=${encodeURIComponent(v.id)}`);
  const { busy, wrong, act } = useAct();
  const make = () => act(async () => {
    await send("POST", `/api/v1/videos/${encodeURIComponent(v.id)}/share?days=${days.value}`);
    await list.again();
  }, twice);
  const own = new URL(link("create", v.id), location.href).href;
  return (
    <Modal title={t("shareTitle")} onClose={onClose}>
      <p class="soft">{t("shareWhy")}</p>
      <Choice label={t("goodFor")} all={spans} now={days.value} set={(n) => (days.value = n)} show={(n) => (n === 1 ? t("oneDay") : t("days", { n }))} />
      <p class="row"><button type="button" class="primary" id="share-make" disabled={busy} onClick={() => void make()}>{t("makeAddress")}</button><span class="grow" /><Copy text={own} label={t("ofPage")} /></p>
      <Note text={wrong[""] || list.error} />
      {!list.value && !list.error && <Loading />}
      {list.value?.data.map((s) => (
        <div class="shared" key={s.id}>
          <Field label={t("address")} hint={`– ${day(s.expires_at * 1000)}`} value={s.url} set={() => {}} readOnly onFocus={(e: { currentTarget: HTMLInputElement }) => e.currentTarget.select()} />
          <p class="row"><Copy text={s.url} /><a href={s.url} target="_blank" rel="noopener">{t("play")}</a><span class="grow" />
            <button type="button" class="quiet" disabled={busy} onClick={() => void act(async () => { await takeBack(s); await list.again(); })}>{t("takeBack")}</button></p>
        </div>
      ))}
    </Modal>
  );
}
