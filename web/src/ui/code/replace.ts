/** Typing over a selection, done by the editor and not by the browser. */
import { EditorView } from '@codemirror/view'

/**
 * Browsers give text that replaces coloured text the style of what was there, as a style attribute: the Content-Security-Policy
 * refuses that, and reports it. So the change is made in the state, as the editor does for all other keys.
 */
export const replaceBySelf = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const text = event.data
    const { main } = view.state.selection
    if (event.inputType !== 'insertText' || !text || !event.cancelable || view.composing || view.state.readOnly || main.empty) return false
    event.preventDefault()
    const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: 'input.type', scrollIntoView: true })
    // Brackets that are typed around a selection are put around it.
    const isHandled = view.state.facet(EditorView.inputHandler).some((handler) => handler(view, main.from, main.to, text, insert))
    if (!isHandled) view.dispatch(insert())
    return true
  },
})
