import { describe, expect, it } from 'vitest'
import {
  align, autoBucket, DAY, downSample, duration, extent, firstFrom, HOUR, longestStep, MINUTE, pathName, samplesOf, sides, type Line, type Sample,
} from './series'

const at = (times: number[], value: (time: number) => number | null = () => 1): Sample[] => times.map((time) => ({ at: time, value: value(time) }))
const line = (samples: Sample[], more: Partial<Line> = {}): Line => ({ key: 'a', label: 'a', script: 's', samples, ...more })
const every = (count: number, step: number): number[] => Array.from({ length: count }, (_, place) => place * step)

describe('samples', () => {
  it('are the numbers of the server, and gaps where there is something else', () => {
    const samples = samplesOf([
      { at: '2026-11-26T21:00:00.000000Z', value: 99.75, run: 'r' },
      { at: '2026-11-26T22:00:00.000000Z', value: 'closed' },
      { at: '2026-11-26T23:00:00.000000Z', value: null, count: 2 },
    ])
    expect(samples.map((sample) => sample.value)).toEqual([99.75, null, null])
    expect(samples[0]).toMatchObject({ at: Date.UTC(2026, 10, 26, 21), run: 'r' })
    expect(samples[2]?.count).toBe(2)
  })

  it('have an extent over all lines', () => {
    expect(extent([line([]), line(at([5, 9])), line(at([2, 3]))])).toEqual({ from: 2, to: 9 })
    expect(extent([line([])])).toBeUndefined()
  })

  it('are found by time', () => {
    const samples = at([10, 20, 30])
    expect([5, 10, 11, 30, 31].map((time) => firstFrom(samples, time))).toEqual([0, 0, 1, 2, 3])
  })
})

describe('gaps', () => {
  it('are where a slot is missing', () => {
    const { times, values } = align([line(at([0, HOUR, 3 * HOUR]), { width: HOUR })], { from: 0, to: 3 * HOUR }, 100)
    expect(times).toEqual([0, HOUR, 2 * HOUR, 3 * HOUR])
    expect(values).toEqual([[1, 1, null, 1]])
  })

  it('are where one of many regular values is missing', () => {
    const times = every(40, DAY).filter((time) => time !== 20 * DAY)
    expect(align([line(at(times))], { from: 0, to: 40 * DAY }, 100).values[0]?.filter((value) => value === null)).toHaveLength(1)
  })

  it('are not at weekends when values come on working days', () => {
    const times = every(70, DAY).filter((time) => (time / DAY) % 7 < 5)
    expect(align([line(at(times))], { from: 0, to: 70 * DAY }, 100).values[0]).not.toContain(null)
  })

  it('are not guessed from few values', () => {
    expect(longestStep(line(at([0, 1, 100])))).toBe(Infinity)
  })

  it('are where the result is not a number', () => {
    expect(align([line(at([0, 1, 2], (time) => (time === 1 ? null : 4)))], { from: 0, to: 2 }, 10).values).toEqual([[4, null, 4]])
  })
})

describe('several lines', () => {
  it('are joined on time, and a time of another line is no gap', () => {
    const { times, values } = align([line(at([0, 10])), line(at([5, 10], () => 2))], { from: 0, to: 10 }, 100)
    expect(times).toEqual([0, 5, 10])
    expect(values).toEqual([[1, undefined, 1], [undefined, 2, 2]])
  })

  it('share a scale when their numbers are alike', () => {
    expect(sides([line(at([0], () => 104)), line(at([0], () => 99))])).toEqual(['left', 'left'])
    expect(sides([line(at([0], () => 0)), line([])])).toEqual(['left', 'left'])
  })

  it('have two scales when their numbers differ by much; the first is on the left', () => {
    const lines = [104, 26_000, 101, 40_000].map((value) => line(at([0], () => value)))
    expect(sides(lines)).toEqual(['left', 'right', 'left', 'right'])
    expect(sides(lines.toReversed())).toEqual(['left', 'right', 'left', 'right'])
    expect(sides([line(at([0], () => -5000)), line(at([0], () => 0.2))])).toEqual(['left', 'right'])
  })
})

describe('many values', () => {
  const count = 100_000
  const samples = at(every(count, MINUTE), (time) => Math.sin(time / DAY))
  samples[31_234] = { at: 31_234 * MINUTE, value: 900 }
  samples[77_777] = { at: 77_777 * MINUTE, value: -900 }
  samples[50_000] = { at: 50_000 * MINUTE, value: null }
  const span = { from: 0, to: count * MINUTE }

  it('are drawn as few, with their extremes, their gaps and their ends', () => {
    const kept = downSample({ samples }, span, 800)
    expect(kept.length).toBeLessThan(800 * 5)
    const values = kept.map((sample) => sample.value)
    expect(values).toContain(900)
    expect(values).toContain(-900)
    expect(values).toContain(null)
    expect(kept[0]).toBe(samples[0])
    expect(kept.at(-1)).toBe(samples.at(-1))
    expect(kept.every((sample, place) => place === 0 || sample.at > (kept[place - 1]?.at ?? 0))).toBe(true)
  })

  it('are all there in a part, with a neighbour on each side', () => {
    const part = downSample({ samples }, { from: 100 * MINUTE, to: 110 * MINUTE }, 800)
    expect(part.map((sample) => sample.at / MINUTE)).toEqual([99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111])
  })

  it('have a gap where one is, and nowhere else', () => {
    const days = every(20_000, MINUTE).filter((time) => time < 9000 * MINUTE || time > 9100 * MINUTE)
    const kept = downSample({ samples: at(days) }, { from: 0, to: 20_000 * MINUTE }, 500)
    expect(kept.flatMap((sample) => (sample.value === null ? [sample.at / MINUTE] : []))).toEqual([9050])
  })

  it('are few also where each is alone', () => {
    const kept = downSample({ samples: at(every(20_000, HOUR)), width: MINUTE }, { from: 0, to: 20_000 * HOUR }, 500)
    expect(kept.length).toBeLessThan(500 * 7)
  })

  it('take little time', () => {
    const begin = performance.now()
    align([line(samples), line(samples)], span, 1600)
    expect(performance.now() - begin).toBeLessThan(30_000)
  })
})

describe('slots', () => {
  it('are as narrow as they can be', () => {
    expect(autoBucket(HOUR, 800)).toBe('1m')
    expect(autoBucket(30 * DAY, 800)).toBe('1h')
    expect(autoBucket(365 * DAY, 800)).toBe('12h')
    expect(autoBucket(5000 * 365 * DAY, 800)).toBe('30d')
  })

  it('have a width', () => {
    expect(['90m', '7d', '1.5h', '2w', 'auto', '', '5 parsec'].map(duration)).toEqual([90 * MINUTE, 7 * DAY, 1.5 * HOUR, 14 * DAY, undefined, undefined, undefined])
  })
})

describe('a path', () => {
  it('is shown as words', () => {
    expect(pathName('/book/bid')).toBe('book › bid')
    expect(pathName('/a~1b/m~0n/0')).toBe('a/b › m~n › 0')
    expect(pathName('')).toBe('')
  })
})
