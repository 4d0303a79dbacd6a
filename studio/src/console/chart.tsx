// Charts of the console: a bar for each day.
import { h } from "preact";

const high = 120; // of the chart

// Bars draws a value for each day; show writes one for people.
export function Bars({ label, points, show }: { label: string; points: [day: string, value: number][]; show: (v: number) => string }) {
  const top = Math.max(...points.map(([, v]) => v), 1e-9);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${points.length * 10} ${high}`} role="img" aria-label={label} preserveAspectRatio="none">
        {points.map(([d, v], i) => {
          const tall = (v / top) * (high - 4);
          return <rect key={d} x={i * 10 + 1} y={high - Math.max(tall, 1)} width="8" height={Math.max(tall, 1)} rx="1"><title>{`${d}: ${show(v)}`}</title></rect>;
        })}
      </svg>
      <figcaption class="row soft"><span>{points[0]?.[0]}</span><span class="grow" /><span>{label}, ≤ {show(Math.max(...points.map(([, v]) => v), 0))}</span><span class="grow" /><span>{points.at(-1)?.[0]}</span></figcaption>
    </figure>
  );
}
