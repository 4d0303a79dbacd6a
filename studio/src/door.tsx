// The door: a key or a login, where the server wants one.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "./act";
import { ask, Failed, locked, offline, send, useKey } from "./net";
import { t } from "./say";
import { Choice, Field, Note } from "./ui";

export function Door() {
  const way = useSignal<"withKey" | "withLogin">("withKey");
  const secret = useSignal(""), email = useSignal(""), password = useSignal("");
  const { busy, wrong, act } = useAct("key", "email", "password");
  const enter = (e: Event) => {
    e.preventDefault();
    void act(async () => {
      if (way.value === "withKey" && !/^[!-~]+$/.test(secret.value.trim())) throw new Failed(t("noKey"), 400, "key"); // no header has such
      try {
        if (way.value === "withKey") {
          useKey(secret.value.trim());
          await ask("/v1/models");
        } else {
          useKey("");
          await send("POST", "/api/v1/login", { email: email.value.trim(), password: password.value }); // a cookie remembers it
        }
        locked.value = false;
      } catch (err) {
        useKey("");
        const { message, status, param } = err as Failed;
        throw new Failed(message, status, status === 401 ? (way.value === "withKey" ? "key" : "password") : param);
      }
    });
  };
  return (
    <form class="maker door" onSubmit={enter}>
      <h1>{t("door")}</h1>
      <p class="soft">{t("doorWhy")}</p>
      <Choice label={t("door")} all={["withKey", "withLogin"] as const} now={way.value} set={(v) => (way.value = v)} show={(v) => t(v)} />
      {way.value === "withKey"
        ? <Field label={t("key")} value={secret.value} set={(v) => (secret.value = v)} type="password" autocomplete="off" required maxLength={512} error={wrong.key} />
        : [
          <Field key="e" label={t("email")} value={email.value} set={(v) => (email.value = v)} type="email" autocomplete="username" required maxLength={254} error={wrong.email} />,
          <Field key="p" label={t("password")} value={password.value} set={(v) => (password.value = v)} type="password" autocomplete="current-password" required maxLength={256} error={wrong.password} />,
        ]}
      <Note text={wrong[""]} />
      <button class="primary" disabled={busy || offline.value}>{t(way.value === "withKey" ? "useKey" : "logIn")}</button>
    </form>
  );
}
