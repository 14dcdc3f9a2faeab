// Numbers, money and times as they are shown.

const whole = new Intl.NumberFormat("en-US");
const stamp = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC",
});
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

export const count = (value) => whole.format(value);

/** Write dollars: cents, and below a dollar what is finer. */
export function money(dollars) {
  const digits = dollars !== 0 && Math.abs(dollars) < 1 ? 4 : 2;
  const options = { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits };
  return new Intl.NumberFormat("en-US", options).format(dollars);
}

/** Write times that are given in unix seconds. */
export const moment = (seconds) => stamp.format(seconds * 1000).replace(",", "");
export const day = (seconds) => date.format(seconds * 1000);
export const time = (seconds) => clock.format(seconds * 1000);

export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
