import { useEffect, useMemo, useRef } from 'preact/hooks'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { phrases, timeText } from '../shared/language.ts'
import type { AnswerOf } from './api.ts'

const say = phrases({
  half: ['half within (s)', 'la mitad en (s)'],
  most: ['98 % within (s)', 'el 98 % en (s)'],
  goal: ['goal (s)', 'objetivo (s)'],
  starts: ['starts', 'inicios'],
  table: ['The same as a table', 'Lo mismo como tabla'],
  hour: ['Hour', 'Hora'],
})

const HEIGHT = 220
/** Seconds. */
const DAY = 86_400
const COLOURS = { half: '#3c9d5d', most: '#c2703a', goal: '#8a8f99' } as const

interface PlotProps {
  readonly hours: AnswerOf<'GET /v1/overview'>['hours']
  readonly goal: number
}

/** Start times of each hour; the same stands below as a table, for whoever sees no picture. */
export function Plot({ hours, goal }: PlotProps) {
  const place = useRef<HTMLDivElement>(null)
  const drawn = useRef<UPlot>(null)
  const data = useMemo(() => dataOf(hours, goal), [hours, goal])
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const colour = getComputedStyle(element).color
    const axis = { stroke: colour, grid: { stroke: `color-mix(in srgb, ${colour} 15%, transparent)` } }
    const plot = new UPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        scales: { x: { range: () => [Date.now() / 1_000 - DAY, Date.now() / 1_000] } },
        axes: [axis, axis],
        series: [
          {},
          { label: say('half'), stroke: COLOURS.half, width: 2 },
          { label: say('most'), stroke: COLOURS.most, width: 2 },
          { label: say('goal'), stroke: COLOURS.goal, dash: [6, 4] },
        ],
      },
      data,
      element,
    )
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }))
    resized.observe(element)
    drawn.current = plot
    return () => {
      resized.disconnect()
      plot.destroy()
    }
  }, [])
  useEffect(() => drawn.current?.setData(data), [data])
  return (
    <>
      <div ref={place} class="plot" aria-hidden="true" />
      <details>
        <summary>{say('table')}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{say('hour')}</th>
              <th scope="col">{say('starts')}</th>
              <th scope="col">{say('half')}</th>
              <th scope="col">{say('most')}</th>
            </tr>
          </thead>
          <tbody>
            {hours.map(({ at, count, p50, p98 }) => (
              <tr key={at}>
                <td>{timeText(at)}</td>
                <td>{count}</td>
                <td>{p50?.toFixed(1)}</td>
                <td>{p98?.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  )
}

function dataOf(hours: PlotProps['hours'], goal: number): UPlot.AlignedData {
  return [
    hours.map(({ at }) => Date.parse(at) / 1_000),
    hours.map(({ p50 }) => p50),
    hours.map(({ p98 }) => p98),
    hours.map(() => goal),
  ]
}
