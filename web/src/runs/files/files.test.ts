import { describe, expect, it } from 'vitest'
import { readCsv } from './csv'
import { recognize, separatorOf } from './kind'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('CSV', () => {
  it.each([
    ['', []],
    ['a,b', [['a', 'b']]],
    ['a,b\n1,2\n', [['a', 'b'], ['1', '2']]],
    ['a,b\r\n1,2\r\n', [['a', 'b'], ['1', '2']]],
    ['"a,""b""",c', [['a,"b"', 'c']]],
    ['"line\nend",x', [['line\nend', 'x']]],
    ['a,\n,b\n', [['a', ''], ['', 'b']]],
    ['a,', [['a', '']]],
    ['"open, never closed', [['open, never closed']]],
    ['"a"b,c', [['ab', 'c']]],
    ['a\n\nb', [['a'], ['b']]],
    ['\uFEFFa,b', [['a', 'b']]],
    ['""', []],
  ])('%j', (text, wanted) => expect(readCsv(text)).toEqual(wanted))

  it('takes other separators, and ends after so many rows', () => {
    expect(readCsv('a;b\n1;2', ';')).toEqual([['a', 'b'], ['1', '2']])
    expect(readCsv('1\n2\n3\n', ',', 2)).toEqual([['1'], ['2']])
  })

  it('knows a table by its lines', () => {
    expect(separatorOf('a,b\n1,2')).toBe(',')
    expect(separatorOf('a;b,c\n1;2')).toBe(';')
    expect(separatorOf('"a,x",b\n1,2')).toBe(',')
    expect(separatorOf('one line, only')).toBeUndefined()
    expect(separatorOf('Some text,\nand more')).toBeUndefined()
  })
})

describe('what a file is', () => {
  it.each([
    [new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0]), 'image', 'image/png'],
    [new Uint8Array([0xff, 0xd8, 0xff, 0xe0]), 'image', 'image/jpeg'],
    [bytes('GIF89a....'), 'image', 'image/gif'],
    [bytes('RIFF1234WEBPVP8 '), 'image', 'image/webp'],
    [bytes('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'image', 'image/svg+xml'],
    [bytes('<?xml version="1.0"?>\n<!-- drawn -->\n<svg>'), 'image', 'image/svg+xml'],
    [bytes('<html><svg></svg></html>'), 'text', 'text/plain'],
    [bytes('<script>alert(1)</script>'), 'text', 'text/plain'],
    [bytes('{"a": 1}'), 'json', 'application/json'],
    [bytes('{"a": 1'), 'text', 'text/plain'],
    [bytes('a,b\n1,2\n'), 'table', 'text/plain'],
    [bytes('BMW is a car'), 'text', 'text/plain'],
    [new Uint8Array([0, 1, 2, 3]), 'binary', 'application/octet-stream'],
    [new Uint8Array([0xff, 0xfe, 0x41]), 'binary', 'application/octet-stream'],
    [bytes('\u001b[31mred\u001b[0m\n'), 'text', 'text/plain'],
    [bytes(''), 'text', 'text/plain'],
  ])('%#', (content, kind, type) => expect(recognize(content)).toMatchObject({ kind, type }))
})
