import type { Sample } from './world.ts'

const WIDTH = 800
const HEIGHT = 300
const EDGE = 50
const LINES = [
  ['running', '#2b6cb0'],
  ['waiting', '#c05621'],
  ['starting', '#2f855a'],
] as const

/** How many desktops ran, waited and were starting, over the time of a scenario, as SVG. */
export function plot(samples: readonly Sample[], title: string): string {
  const endMs = Math.max(1, samples.at(-1)?.ms ?? 1)
  const top = Math.max(
    1,
    ...samples.flatMap(({ running, waiting, starting }) => [running, waiting, starting]),
  )
  const x = (ms: number): string => (EDGE + (ms / endMs) * (WIDTH - 2 * EDGE)).toFixed(1)
  const y = (count: number): string => (HEIGHT - EDGE - (count / top) * (HEIGHT - 2 * EDGE)).toFixed(1)
  const lines = LINES.map(([name, colour], index) => {
    const points = samples.map((sample) => `${x(sample.ms)},${y(sample[name])}`).join(' ')
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points}"/>` +
      `<text x="${EDGE + index * 90}" y="${HEIGHT - 12}" fill="${colour}">${name}</text>`
    )
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="white"/><text x="${EDGE}" y="24" font-size="14">${title}</text>` +
    `<text x="4" y="${EDGE + 4}">${top}</text><text x="${WIDTH - EDGE - 30}" y="${HEIGHT - EDGE + 16}">${Math.round(endMs / 1_000)} s</text>` +
    `<path d="M${EDGE} ${EDGE}V${HEIGHT - EDGE}H${WIDTH - EDGE}" fill="none" stroke="#888"/>${lines.join('')}</svg>\n`
  )
}
