import { describe, expect, it } from 'vitest'
import type { Source } from './queries'
import { changesBetween } from './versions'

const source = (main: string, files: Record<string, string>): Source => ({
  kind: Object.keys(files).length > 1 ? 'zip' : 'text', main, files: new Map(Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)])),
})

describe('the difference of two versions', () => {
  it('is of the one file, whatever it is called', () => {
    expect(changesBetween(source('a.py', { 'a.py': '1' }), source('b.py', { 'b.py': '2' }))).toEqual([{ path: 'b.py', kind: 'changed', before: '1', after: '2', isText: true }])
    expect(changesBetween(source('a.py', { 'a.py': '1' }), source('a.py', { 'a.py': '1' }))).toEqual([])
  })

  it('is of files that came, went and changed, the main one first', () => {
    const before = source('main.py', { 'main.py': '1', 'a.py': 'x', 'same.py': '=' })
    const after = source('main.py', { 'main.py': '2', 'b.py': 'y', 'same.py': '=' })
    expect(changesBetween(before, after).map(({ path, kind }) => `${path} ${kind}`)).toEqual(['main.py changed', 'a.py removed', 'b.py added'])
  })

  it('does not show what is no text', () => {
    expect(changesBetween(source('m.py', { 'm.py': '1', 'x.bin': '\u0000a' }), source('m.py', { 'm.py': '1', 'x.bin': '\u0000b' }))).toMatchObject([{ path: 'x.bin', isText: false, before: '', after: '' }])
  })
})
