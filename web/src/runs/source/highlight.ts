/** The tokens of Python code. Loaded only where code is shown. */
import { pythonLanguage } from '@codemirror/lang-python'
import { highlightTree, tagHighlighter, tags } from '@lezer/highlight'
import type { Token } from './source'

const classes = tagHighlighter([
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.definitionKeyword, tags.moduleKeyword], class: 'keyword' },
  { tag: [tags.string, tags.special(tags.string)], class: 'string' },
  { tag: [tags.number, tags.bool, tags.null], class: 'constant' },
  { tag: [tags.comment, tags.lineComment], class: 'comment' },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)], class: 'name' },
])

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  highlightTree(pythonLanguage.parser.parse(text), classes, (from, to, found) => tokens.push({ from, to, classes: found }))
  return tokens
}
