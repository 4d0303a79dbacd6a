// Lists of the console.
import { h } from "preact";
import type { ComponentChildren } from "preact";
import { t } from "../say";
import { Loading, Note } from "../ui";
import type { Read } from "./state";

// Rows shows a list that is read: the heads, and a row for each. On phones a row
// is a card, with the head beside each of its values.
export function Rows<T>({ of, all, heads, none, row }: { of: Read<unknown>; all: T[] | null | undefined; heads: string[]; none: string; row: (v: T) => ComponentChildren }) {
  if (of.missing) return <p class="soft">{t("noEndpoint")}</p>;
  if (of.error) return <Note text={of.error} again={of.again} />;
  if (!of.came) return <Loading />;
  if (!all?.length) return <p class="soft">{none}</p>;
  return (
    <div class="scroll rows" tabIndex={0} role="group" aria-label={heads[0]}>
      <table style={Object.fromEntries(heads.map((head, i) => [`--head${i + 1}`, JSON.stringify(head)]))}>
        <thead><tr>{heads.map((head) => <th key={head} scope="col">{head}</th>)}</tr></thead>
        <tbody>{all.map(row)}</tbody>
      </table>
    </div>
  );
}
