/** The editor itself. It is loaded only where code is shown: see `CodeEditor.vue`. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { json } from '@codemirror/lang-json'
import { python } from '@codemirror/lang-python'
import { bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit } from '@codemirror/language'
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { Annotation, Compartment, EditorState, type Extension, type Range, StateEffect, StateField, type Text } from '@codemirror/state'
import {
  Decoration, type DecorationSet, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars,
  keymap, lineNumbers, rectangularSelection,
} from '@codemirror/view'
import { replaceBySelf } from './replace'
import { look } from './theme'

export type CodeLanguage = 'python' | 'json' | 'text'

/** Something said about a line. Lines and columns are counted from 1. */
export interface Remark {
  line: number
  column?: number | undefined
  severity: 'error' | 'warning'
  message: string
}

export interface EditorOptions {
  root: ShadowRoot
  text: string
  language: CodeLanguage
  /** What the code is, for screen readers. */
  label: string
  isReadOnly: boolean
  wraps: boolean
  /** The words of the search panel in the page's language. */
  phrases: Record<string, string>
  onText?: (text: string) => void
  onSave?: () => void
  onRun?: () => void
}

/** A change that does not come from the person at the keyboard. */
const fromOutside = Annotation.define<boolean>()
const setWrong = StateEffect.define<number[]>()
const wrongLine = Decoration.line({ class: 'cm-wrong' })

/** The lines with an error have a ground of their own. */
const wrongLines = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(lines, change) {
    let now = lines.map(change.changes)
    for (const effect of change.effects) {
      if (!effect.is(setWrong)) continue
      const marks: Range<Decoration>[] = effect.value.map((line) => wrongLine.range(change.state.doc.line(line).from))
      now = Decoration.set(marks, true)
    }
    return now
  },
  provide: (field) => EditorView.decorations.from(field),
})

export const languageOf = (language: CodeLanguage): Extension => {
  if (language === 'python') return [python(), indentUnit.of('    ')]
  if (language === 'json') return [json(), indentUnit.of('  ')]
  return []
}

/** Where a remark is in the text: from its column to the end of the word, or its whole line. */
export function rangeOf(doc: Text, remark: Remark): { from: number; to: number } {
  const line = doc.line(Math.min(Math.max(1, remark.line), doc.lines))
  const column = remark.column === undefined ? undefined : Math.min(remark.column - 1, line.length)
  if (column === undefined) {
    const indent = line.text.length - line.text.trimStart().length
    return { from: line.from + indent, to: line.to }
  }
  const word = /^[\p{L}\p{N}_]+/u.exec(line.text.slice(column))?.[0].length ?? 1
  return { from: line.from + column, to: Math.min(line.to, line.from + column + word) }
}

/** What each editor has, whatever it is for. */
export function basics(label: string, language: CodeLanguage, wraps: boolean, phrases: Record<string, string>): Extension {
  return [
    look,
    lineNumbers(),
    foldGutter(),
    highlightSpecialChars(),
    EditorState.allowMultipleSelections.of(true),
    drawSelection(),
    replaceBySelf,
    rectangularSelection(),
    bracketMatching(),
    highlightSelectionMatches(),
    search({ top: true }),
    languageOf(language),
    EditorState.phrases.of(phrases),
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0', spellcheck: 'false', autocapitalize: 'off', autocorrect: 'off' }),
    wraps ? EditorView.lineWrapping : [],
  ]
}

/** The line ends of a text: those of Windows are kept where all are such. */
const lineEnd = (text: string): string => (text.includes('\r\n') && !/(?:^|[^\r])\n/.test(text) ? '\r\n' : '\n')
const plain = (text: string): string => text.replaceAll(/\r\n?/g, '\n')

export class Editor {
  private readonly view: EditorView
  private readonly access = new Compartment()

  constructor(options: EditorOptions) {
    const own = (run?: () => void) => () => {
      run?.()
      return run !== undefined
    }
    this.view = new EditorView({
      root: options.root,
      parent: options.root,
      state: EditorState.create({
        doc: options.text,
        extensions: [
          // Before the usual keys: both have a meaning there.
          keymap.of([
            { key: 'Mod-s', run: own(options.onSave), preventDefault: true },
            { key: 'Mod-Enter', run: own(options.onRun), preventDefault: true },
          ]),
          basics(options.label, options.language, options.wraps, options.phrases),
          EditorState.lineSeparator.of(lineEnd(options.text)),
          history(),
          lintGutter(),
          wrongLines,
          indentOnInput(),
          closeBrackets(),
          autocompletion(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          keymap.of([
            ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap,
            ...lintKeymap, indentWithTab,
          ]),
          this.access.of(this.accessOf(options.isReadOnly)),
          EditorView.updateListener.of((update) => {
            const isOwn = update.transactions.some((each) => each.docChanged && each.annotation(fromOutside) !== true)
            if (isOwn) options.onText?.(this.text)
          }),
        ],
      }),
    })
  }

  private accessOf(isReadOnly: boolean): Extension {
    // The text can have the focus although it is read-only: it is scrolled and searched with keys.
    return EditorState.readOnly.of(isReadOnly)
  }

  get text(): string {
    return this.view.state.sliceDoc()
  }

  setText(text: string): void {
    const now = plain(text)
    if (now === plain(this.text)) return
    const changes = { from: 0, to: this.view.state.doc.length, insert: this.view.state.toText(now) }
    this.view.dispatch({ changes, annotations: fromOutside.of(true) })
  }

  setReadOnly(isReadOnly: boolean): void {
    this.view.dispatch({ effects: this.access.reconfigure(this.accessOf(isReadOnly)) })
  }

  setRemarks(remarks: readonly Remark[]): void {
    const doc = this.view.state.doc
    const here = remarks.filter((remark) => remark.line <= doc.lines)
    const diagnostics: Diagnostic[] = here.map((remark) => ({
      ...rangeOf(doc, remark), severity: remark.severity, message: remark.message,
    }))
    const wrong = [...new Set(here.filter((remark) => remark.severity === 'error').map((remark) => Math.max(1, remark.line)))]
    this.view.dispatch(setDiagnostics(this.view.state, diagnostics), { effects: setWrong.of(wrong) })
  }

  /** Shows a line and puts the cursor there. */
  goTo(line: number): void {
    const doc = this.view.state.doc
    const at = doc.line(Math.min(Math.max(1, line), doc.lines)).from
    this.view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) })
    this.view.focus()
  }

  destroy(): void {
    this.view.destroy()
  }
}
