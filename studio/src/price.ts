// What work costs, by the rates that the server tells of a model.
import { get } from "./net";

export interface Rate {
  per: number;
  price: string;
  tiers?: { above: number; price: string }[]; // the price of what lies above
}

export interface Rates {
  currency: string;
  rates: Record<string, Rate | undefined>;
}

// ratesOf asks for a model's, null where nobody says.
export const ratesOf = (model: string) => get<Rates>(`/api/v1/prices?model=${encodeURIComponent(model)}`).catch(() => null);

function of(rate: Rate, n: number): number {
  let from = 0, price = rate.price, sum = 0;
  for (const next of [...(rate.tiers ?? []), { above: Infinity, price: "" }]) {
    const to = Math.max(from, Math.min(n, next.above));
    sum += Number(price) * (to - from);
    [from, price] = [to, next.price];
  }
  return sum / rate.per;
}

// charge is what was used costs, as the server bills it: tokens that were read
// again have a rate of their own, where there is one.
export function charge(r: Rates, used: Record<string, number>): number {
  const again = r.rates.cached_input_tokens ? (used.cached_input_tokens ?? 0) : 0;
  const billed: Record<string, number> = { ...used, cached_input_tokens: again, ...(used.input_tokens && { input_tokens: used.input_tokens - again }) };
  return Object.entries(billed).reduce((sum, [dimension, n]) => sum + (r.rates[dimension] ? of(r.rates[dimension], n) : 0), 0);
}

// written is an amount with three digits, "" of nothing.
export const written = (amount: number, currency: string) =>
  amount > 0 ? `${amount.toLocaleString(undefined, { maximumSignificantDigits: 3 })} ${currency}` : "";
