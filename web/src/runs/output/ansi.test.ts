import { describe, expect, it } from 'vitest'
import { AnsiParser, applySgr, PLAIN, visibleText, type Style, type Token } from './ansi'

const E = '\u001b'
const read = (...pieces: string[]): Token[] => {
  const parser = new AnsiParser()
  return [...pieces.flatMap((piece) => parser.take(piece)), ...parser.finish()]
}
const plain = (...pieces: string[]): string =>
  read(...pieces).map((token) => (token.kind === 'text' ? token.text : token.kind === 'newline' ? '\n' : '\r')).join('')
const styled = (text: string): [string, Style][] =>
  read(text).flatMap((token) => (token.kind === 'text' ? [[token.text, token.style] as [string, Style]] : []))

describe('colours', () => {
  it.each<[string, Style]>([
    ['31', { fg: 1 }],
    ['97;44', { fg: 15, bg: 4 }],
    ['100', { bg: 8 }],
    ['1;2;3;4;9;7', { bold: true, dim: true, italic: true, under: true, strike: true, inverse: true }],
    ['38;5;9', { fg: 9 }],
    ['38;5;208', { fg: '#ff8700' }],
    ['48;5;232', { bg: '#080808' }],
    ['38;5;231', { fg: '#ffffff' }],
    ['38;2;1;2;255', { fg: '#0102ff' }],
    ['38:2::1:2:255', { fg: '#0102ff' }],
    ['38:2:1:2:255', { fg: '#0102ff' }],
    ['38:5:208;1', { fg: '#ff8700', bold: true }],
    ['58;2;1;2;3;31', { fg: 1 }],
    ['4:3', { under: true }],
    ['4:0', {}],
    ['38;2;1;2;999;1', { bold: true }],
    ['38;5;256;1', { bold: true }],
    ['38', {}],
    ['38;2;1', {}],
    ['12345', {}],
    ['5;8;53', {}],
  ])('%s', (parameters, wanted) => expect(applySgr(PLAIN, parameters)).toEqual(wanted))

  it.each<[string, Style]>([
    ['', {}],
    ['0', {}],
    ['22', { fg: 1, bg: 2, italic: true, under: true }],
    ['39;49', { bold: true, italic: true, under: true }],
    ['23;24', { fg: 1, bg: 2, bold: true }],
    [';34', { fg: 4 }],
  ])('%s after others', (parameters, wanted) =>
    expect(applySgr({ fg: 1, bg: 2, bold: true, italic: true, under: true }, parameters)).toEqual(wanted),
  )

  it('goes over line ends and pieces, and the same style is the same object', () => {
    const tokens = read(`a${E}[3`, `1mb\nc${E}[0m${E}[31md`)
    expect(tokens).toEqual([
      { kind: 'text', text: 'a', style: {} },
      { kind: 'text', text: 'b', style: { fg: 1 } },
      { kind: 'newline' },
      { kind: 'text', text: 'c', style: { fg: 1 } },
      { kind: 'text', text: 'd', style: { fg: 1 } },
    ])
    expect(tokens[1]).toHaveProperty('style')
    expect(styled(`${E}[31ma${E}[0m${E}[31mb`).every(([, style], _, all) => style === all[0]?.[1])).toBe(true)
  })
})

describe('other sequences are removed', () => {
  it.each([
    ['cursor and erasing', `a${E}[2J${E}[10;10Hb${E}[Kc${E}[?25l`, 'abc'],
    ['a title, ended by BEL', `a${E}]0;title\u0007b`, 'ab'],
    ['a link', `${E}]8;;https://example.com${E}\\text${E}]8;;${E}\\`, 'text'],
    ['a device control string', `a${E}Pq#0;2${E}\\b`, 'ab'],
    ['a character set', `a${E}(Bb${E}7c${E}=d`, 'abcd'],
    ['a private mode that ends in m', `a${E}[>4;2mb`, 'ab'],
    ['with intermediate bytes', `a${E}[1 qb`, 'ab'],
    ['broken by a letter of another alphabet', `a${E}[31äb`, 'aäb'],
    ['broken by a line end', `a${E}[31\nb`, 'a\nb'],
  ])('%s', (_, text, wanted) => expect(plain(text)).toBe(wanted))

  it('waits for the rest of a sequence, wherever it is cut', () => {
    const text = `a${E}[1;31mb${E}]8;;x${E}\\c${E}(Bd`
    for (let at = 0; at <= text.length; at += 1) expect(plain(text.slice(0, at), text.slice(at))).toBe('abcd')
  })

  it('hides nothing in a sequence that does not end', () => {
    expect(plain(`a${E}]0;never ends\nnext line`)).toBe('a^[]0;never ends\nnext line')
    expect(plain(`a${E}]${'x'.repeat(5000)}`)).toBe(`a^[]${'x'.repeat(5000)}`)
    expect(plain(`a${E}[${'1;'.repeat(5000)}`)).toContain('^[')
    expect(plain(`a${E}`)).toBe('a^[')
    expect(plain(`a${E}[31`)).toBe('a^[[31')
  })
})

describe('what cannot be seen is made visible', () => {
  it.each([
    ['\u0000\u0007\b\u007f', '^@^G^H^?'],
    ['\u202etxt.exe\u202c', '[U+202E]txt.exe[U+202C]'],
    ['a\u200bb\ufeffc\u2066d', 'a[U+200B]b[U+FEFF]c[U+2066]d'],
    ['\u009b31m', '[U+009B]31m'],
    ['\u{e0041}', '[U+E0041]'],
    ['tab\tstays', 'tab\tstays'],
    ['👩\u200d💻 می\u200cخواهم', '👩\u200d💻 می\u200cخواهم'],
  ])('%j', (text, wanted) => {
    expect(plain(text)).toBe(wanted)
    expect(visibleText(text)).toBe(wanted)
  })

  it('has a style of its own', () => expect(styled('a\u202e')).toEqual([['a', {}], ['[U+202E]', { control: true }]]))
})

it('takes 1 MiB of sequences in a moment', () => {
  const text = `${E}[31mx${E}[0m`.repeat(100_000)
  const began = performance.now()
  expect(read(text)).toHaveLength(100_000)
  expect(read(E.repeat(200_000))).toHaveLength(200_000)
  expect(performance.now() - began).toBeLessThan(30_000)
})
