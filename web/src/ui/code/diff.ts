/** Two texts side by side, or one in the other where there is little room. Loaded only where differences are shown. */
import { MergeView, unifiedMergeView } from '@codemirror/merge'
import { history, historyKeymap, defaultKeymap, indentWithTab } from '@codemirror/commands'
import { searchKeymap } from '@codemirror/search'
import { EditorState, type Extension } from '@codemirror/state'
import { EditorView, keymap } from '@codemirror/view'
import { basics, type CodeLanguage } from './editor'
import { mergeLook } from './theme'

export interface DiffOptions {
  root: ShadowRoot
  before: string
  after: string
  labels: { before: string; after: string }
  language: CodeLanguage
  isNarrow: boolean
  phrases: Record<string, string>
  /** The right text can be edited. */
  onText?: ((text: string) => void) | undefined
}

const COLLAPSE = { margin: 3, minSize: 6 }
const SHEET = `
.cm-mergeView { height: 100%; }
.cm-editor { min-height: 0; }
`

function sheet(root: ShadowRoot): void {
  const own = new CSSStyleSheet()
  own.replaceSync(SHEET)
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, own]
}

/** Shows the difference; the answer takes it away again. */
export function showDiff(options: DiffOptions): () => void {
  const { root, before, after, labels, onText } = options
  const side = (label: string, own: Extension): Extension => [
    basics(label, options.language, true, options.phrases), mergeLook, keymap.of([...searchKeymap, ...defaultKeymap]), own,
  ]
  const fixed = EditorState.readOnly.of(true)
  const editable: Extension = onText
    ? [
        history(), keymap.of([...historyKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => update.docChanged && onText(update.state.doc.toString())),
      ]
    : fixed
  sheet(root)
  if (options.isNarrow) {
    const view = new EditorView({
      root, parent: root, doc: after,
      extensions: [
        side(labels.after, editable),
        unifiedMergeView({ original: before, mergeControls: onText !== undefined, collapseUnchanged: COLLAPSE }),
      ],
    })
    return () => view.destroy()
  }
  const view = new MergeView({
    root, parent: root,
    a: { doc: before, extensions: side(labels.before, fixed) },
    b: { doc: after, extensions: side(labels.after, editable) },
    collapseUnchanged: COLLAPSE,
    ...(onText ? { revertControls: 'a-to-b' as const } : {}),
  })
  return () => view.destroy()
}
