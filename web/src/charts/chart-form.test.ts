import { describe, expect, it } from 'vitest'
import { bodyOf, draftOf, EACH, EVERYTHING, isSame, labelsOf, lineNames, lineOfField, newId, newLine, sinceChoice, suggestedTitle } from './chart-form'
import type { ChartBody } from './saved'

const CHART: ChartBody = {
  title: 'Tea', labels: ['team=data', 'prices'], since: '1970-01-01T00:00:00Z', bucket: null,
  lines: [{ script: 'tea', path: '/price' }, { script: 'tea', path: '/volume', agg: 'sum', label: 'Sold' }],
}

describe('a draft', () => {
  it('comes back as it was', () => {
    const draft = draftOf(CHART)
    expect(draft).toMatchObject({ labels: 'team=data, prices', since: EVERYTHING, bucket: EACH })
    expect(bodyOf(draft)).toEqual(CHART)
    expect(isSame(bodyOf(draft), { ...CHART, lines: CHART.lines.map((line) => ({ agg: null, label: null, ...line })) })).toBe(true)
  })

  it('is since the beginning where it shows everything, however that is written', () => {
    expect(sinceChoice('1970-01-01T00:00:00.000000Z')).toBe(EVERYTHING)
    expect(sinceChoice('30d')).toBe('30d')
    expect(sinceChoice('2026-01-01T00:00:00Z')).toBe('2026-01-01T00:00:00Z')
  })

  it('knows which of its lines an error is about', () => {
    const draft = { ...draftOf(CHART), lines: [newLine(), newLine('tea', '/a'), newLine('tea', '/b')] }
    expect(lineOfField(draft, 'lines.1.path')?.path).toBe('/b')
    expect([lineOfField(draft, 'lines'), lineOfField(draft, 'title'), lineOfField(draft, undefined), lineOfField(draft, 'lines.7.path')]).toEqual([undefined, undefined, undefined, undefined])
  })

  it('is another one when anything is changed', () => {
    expect(isSame(CHART, { ...CHART, title: 'Coffee' })).toBe(false)
    expect(isSame(CHART, { ...CHART, lines: CHART.lines.toReversed() })).toBe(false)
  })

  it('leaves out lines that have no script yet', () => {
    expect(bodyOf({ ...draftOf(CHART), lines: [newLine(), newLine('tea', '')] }).lines).toEqual([{ script: 'tea', path: '' }])
  })
})

it('takes labels as people write them', () => {
  expect(labelsOf(' a, b，c、a\n , d=1 ')).toEqual(['a', 'b', 'c', 'd=1'])
})

describe('names of lines', () => {
  const line = (script: string, path: string, more = {}) => ({ ...newLine(script, path), ...more })
  it('are as short as they can be', () => {
    expect(lineNames([line('tea', '/book/bid'), line('tea', '')], 'result')).toEqual(['book › bid', 'result'])
    expect(lineNames([line('tea', '/price'), line('coffee', '/price')], 'result')).toEqual(['tea', 'coffee'])
    expect(lineNames([line('tea', '/price'), line('coffee', '/cost')], 'result')).toEqual(['tea: price', 'coffee: cost'])
  })

  it('are their labels, and differ by aggregate where they must', () => {
    expect(lineNames([line('tea', '/price', { label: 'Mine' }), line('tea', '/price')], 'result')).toEqual(['Mine', 'price'])
    expect(lineNames([line('tea', '/price', { agg: 'min' }), line('tea', '/price')], 'result')).toEqual(['price (min)', 'price (avg)'])
  })
})

it('suggests a title', () => {
  expect(suggestedTitle({ ...draftOf(CHART), lines: [newLine(), newLine('tea', '/book/bid')] })).toBe('tea: book › bid')
  expect(suggestedTitle({ ...draftOf(CHART), lines: [newLine('tea', '')] })).toBe('tea')
  expect(suggestedTitle({ ...draftOf(CHART), lines: [] })).toBe('')
})

it('makes an address from a title', () => {
  expect(newId('Price of Tea – Übersicht!', new Set())).toBe('price-of-tea-ubersicht')
  expect(newId('茶叶价格', new Set(['chart', 'chart-2']))).toBe('chart-3')
})
