import { expect, it } from 'vitest'
import { tokensOf } from './highlight'
import { linesAround, piecesOf, sourceLines } from './source'

it('counts lines as Python does', () => {
  expect(sourceLines('a\r\nb\rc\n')).toEqual([
    { number: 1, text: 'a', from: 0 }, { number: 2, text: 'b', from: 3 }, { number: 3, text: 'c', from: 5 },
  ])
  expect(linesAround(sourceLines('1\n2\n3\n4\n5'), 2, 1).map((line) => line.number)).toEqual([1, 2, 3])
})

it('cuts lines at tokens, also at those over several lines', () => {
  const text = 'x = """a\nb""" + 1  # end'
  const tokens = tokensOf(text)
  const [first, second] = sourceLines(text)
  expect(first && piecesOf(first, tokens)).toEqual([{ text: 'x = ', classes: '' }, { text: '"""a', classes: 'string' }])
  expect(second && piecesOf(second, tokens)).toEqual([
    { text: 'b"""', classes: 'string' }, { text: ' + ', classes: '' }, { text: '1', classes: 'constant' }, { text: '  ', classes: '' },
    { text: '# end', classes: 'comment' },
  ])
  expect(tokensOf('def run(): return None').map((token) => token.classes)).toEqual(['keyword', 'name', 'keyword', 'constant'])
})
