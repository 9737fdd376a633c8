/** What uPlot is told: looks, scales and axes of a chart. */
import type uPlot from 'uplot'
import { formatNumber, formatShort } from '../i18n/format'
import { seriesColour, seriesDash } from './colours'
import type { Aligned, Side, Span } from './series'
import { tickLabels } from './time-axis'

export interface PlotLooks {
  width: number
  height: number
  sides: readonly Side[]
  labels: readonly string[]
  /** Lines that are not shown. */
  hidden: ReadonlySet<number>
  colour: (name: string) => string
  font: string
  /** What is shown of the time. */
  span: () => Span
  small: boolean
}

export interface PlotActions {
  /** The nearest place of the cursor, in pixels. */
  snap: (left: number) => number
  moved: (left: number | undefined) => void
  zoomed: (span: Span) => void
  unzoomed: () => void
}

/** The cursor takes values that are at most so far from it, in pixels. */
export const NEAR = 18
/** The narrowest part that can be dragged, in pixels. */
export const LEAST_DRAG = 6

export const valueText = (value: number): string => (Math.abs(value) >= 1e7 ? formatShort(value) : formatNumber(value))

/** Points are drawn alone where a line has none beside them. */
function lonely(values: uPlot.AlignedData[number], first: number, last: number): number[] {
  const found: number[] = []
  const neighbour = (from: number, step: number): number | null | undefined => {
    let at = from + step
    while (at >= first && at <= last && values[at] === undefined) at += step
    return values[at]
  }
  for (let at = first; at <= last; at += 1) {
    if (values[at] == null) continue
    if (neighbour(at, -1) == null && neighbour(at, 1) == null) found.push(at)
  }
  return found
}

export function plotOptions(looks: PlotLooks, actions: PlotActions): uPlot.Options {
  const { colour, small, sides } = looks
  const hasRight = sides.includes('right')
  const grid = { stroke: colour('var(--line)'), width: 1 }
  const axis = { stroke: colour('var(--muted)'), font: looks.font, ticks: { show: false } }
  const valueAxis = (scale: Side): uPlot.Axis => ({
    ...axis,
    scale,
    side: scale === 'left' ? 3 : 1,
    grid: scale === 'left' ? grid : { show: false },
    space: small ? 22 : 40,
    size: (_plot, values) => Math.max(34, ...(values ?? []).map((text) => 16 + 7 * String(text ?? '').length)),
    values: (_plot, ticks) => ticks.map(valueText),
  })
  return {
    width: looks.width,
    height: looks.height,
    ms: 1,
    // The last time may be at the very edge: half of its words are beside it.
    padding: [small ? 8 : 12, hasRight ? 0 : 26, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [looks.span().from, looks.span().to] },
      left: {},
      right: {},
    },
    axes: [
      { ...axis, grid, space: 84, size: small ? 40 : 44, values: (_plot, ticks, _axis, _space, step) => tickLabels(ticks, step) },
      valueAxis('left'),
      ...(hasRight ? [valueAxis('right')] : []),
    ],
    series: [
      {},
      ...looks.labels.map((label, at): uPlot.Series => ({
        label,
        scale: sides[at] ?? 'left',
        show: !looks.hidden.has(at),
        stroke: colour(seriesColour(at)),
        width: small ? 1.5 : 1.8,
        dash: seriesDash(at),
        points: {
          size: 5,
          fill: colour(seriesColour(at)),
          filter: (plot, which, isShown) => {
            if (isShown) return null
            const [first, last] = plot.series[which]?.idxs ?? [0, plot.data[0].length - 1]
            return lonely(plot.data[which] ?? [], first, last)
          },
        },
      })),
    ],
    cursor: {
      x: true,
      y: false,
      move: (_plot, left, top) => [actions.snap(left), top],
      // Whether a click ends a drag is seen by the chart itself: uPlot takes each click for one where the cursor snaps.
      drag: { x: true, y: false, setScale: false, dist: LEAST_DRAG, click: () => undefined },
      hover: { prox: NEAR, skip: [undefined, null] },
      points: { size: 8, width: 2, fill: colour('var(--surface)'), stroke: (_plot, at) => colour(seriesColour(at - 1)) },
      bind: {
        dblclick: () => () => {
          actions.unzoomed()
          return null
        },
      },
    },
    hooks: {
      setCursor: [(plot) => actions.moved(plot.cursor.left !== undefined && plot.cursor.left >= 0 ? plot.cursor.left : undefined)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select
          if (width < LEAST_DRAG) return
          actions.zoomed({ from: plot.posToVal(left, 'x'), to: plot.posToVal(left + width, 'x') })
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
        },
      ],
    },
  }
}

export const plotData = ({ times, values }: Aligned): uPlot.AlignedData => [times, ...values]
