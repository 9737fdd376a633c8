import { expect, it } from 'vitest'
import { contrast, lookOf } from './looks'

it.each([
  [{ fg: 1 }, 'ansi-1', undefined],
  [{ fg: 1, bold: true }, 'ansi-bold ansi-1', undefined],
  [{ fg: '#123456' }, 'ansi-any', { '--ansi-text': '#123456' }],
  [{ inverse: true }, 'ansi-inverse', undefined],
  [{ dim: true }, 'ansi-dim', undefined],
  [{ fg: 15, bg: 4 }, '', { background: '#1f5fbf', color: '#ffffff' }],
  [{}, '', undefined],
] as const)('%j', (style, classes, css) => expect(lookOf(style)).toEqual({ classes, css }))

it('text on a ground can be read, whatever was asked for', () => {
  for (let bg = 0; bg < 16; bg += 1) {
    for (let fg = 0; fg < 16; fg += 1) {
      for (const style of [{ fg, bg }, { fg, bg, inverse: true as const }, { bg }, { fg: '#777777' as const, bg }]) {
        const { background = '', color = '' } = lookOf(style).css ?? {}
        expect(contrast(background, color)).toBeGreaterThanOrEqual(4.5)
      }
    }
  }
})
