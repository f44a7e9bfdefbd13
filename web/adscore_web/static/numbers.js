// Numbers as people read them, and what can be told apart.

const APART = 0.8; // as in the reports: from this chance on, one creative is ahead of another
const HALF_WIDTH = 1.6448536269514722; // of a 90 % interval, in standard deviations
const MIN_RATE = 1e-9;
const SHOWN_RATE = 1e-5; // less is said to be less

/** A rate in per cent with three significant digits: 0.0123 is "1.23%". */
export function percent(rate, digits = 3) {
  if (!Number.isFinite(rate)) return "–";
  if (rate === 0) return "0%";
  if (Math.abs(rate) < SHOWN_RATE) return `<${100 * SHOWN_RATE}%`;
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(100 * rate)));
  return `${(100 * rate).toFixed(Math.min(Math.max(decimals, 0), 8))}%`;
}

/** A function that writes rates of one picture with as many decimals as the highest needs. */
export function percentLike(highest) {
  const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(Math.max(100 * highest, 1e-9))), 0), 8);
  return (rate) => `${(100 * rate).toFixed(decimals)}%`;
}

/** A share in whole per cent; what is neither 0 nor 1 is not said to be. */
export function share(value) {
  if (!Number.isFinite(value)) return "–";
  const rounded = Math.round(100 * value);
  if (rounded === 0 && value > 0) return "<1%";
  if (rounded === 100 && value < 1) return ">99%";
  return `${rounded}%`;
}

export const interval = (target) => `${percent(target.lower, 2)}–${percent(target.upper, 2)}`;

/** A change of the logit as an odds ratio, signed as people read it: 0.1 is "+11%". */
export function effect(logit) {
  const change = Math.round(1000 * Math.expm1(logit)) / 10;
  if (Math.abs(change) >= 1000) return `×${Math.exp(logit).toFixed(0)}`;
  const size = Math.abs(change) >= 10 ? Math.abs(change).toFixed(0) : Math.abs(change).toFixed(1);
  return `${change < 0 ? "−" : change > 0 ? "+" : "±"}${size}%`;
}

export const count = (number) => Number(number).toLocaleString("en-US");

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  if (size < 1_000_000) return `${Math.round(size / 1000)} kB`;
  return `${(size / 1_000_000).toFixed(1)} MB`;
}

export const logit = (rate) => {
  const kept = Math.min(Math.max(rate, MIN_RATE), 1 - MIN_RATE);
  return Math.log(kept / (1 - kept));
};

/** The chance that the first rate is the higher one of two.
 *
 * `spread` is the standard deviation, in logits, of what the model leaves between creatives of one
 * group. Where it is not known, the intervals stand in: they hold too what a group's creatives share,
 * so that this chance is rather too low.
 */
export function chanceAhead(first, second, spread) {
  const joint = spread > 0 ? spread * Math.SQRT2 : Math.hypot(deviation(first), deviation(second));
  return normal((logit(first.mean) - logit(second.mean)) / Math.max(joint, 1e-12));
}

const deviation = (target) => (logit(target.upper) - logit(target.lower)) / (2 * HALF_WIDTH);

/** The normal distribution's share below z (Abramowitz and Stegun 7.1.26, to 1e-7). */
function normal(z) {
  const x = Math.abs(z) / Math.SQRT2;
  const s = 1 / (1 + 0.3275911 * x);
  const tail = s * (0.254829592 + s * (-0.284496736 + s * (1.421413741 + s * (-1.453152027 + s * 1.061405429))));
  const inside = 1 - tail * Math.exp(-x * x);
  return z >= 0 ? (1 + inside) / 2 : (1 - inside) / 2;
}

/** How many of a falling ranking cannot be told apart from its first. */
export function leading(targets, spread) {
  const behind = targets.findIndex((target, place) => place > 0 && chanceAhead(targets[0], target, spread) >= APART);
  return behind < 0 ? targets.length : behind;
}

/** Letters for the headlines: 0 is A, 25 is Z, 26 is AA. */
export function letters(number) {
  return number < 26 ? String.fromCharCode(65 + number) : letters(Math.floor(number / 26) - 1) + letters(number % 26);
}
