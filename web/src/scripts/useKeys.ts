/** Keys of a page with an editor: they work wherever the focus is. */
import { onScopeDispose } from 'vue'

/** `Ctrl-S` saves, `Ctrl-Enter` runs. The editor has its own bindings for both: what it took is not taken twice. */
export function useKeys(save: () => unknown, run: () => unknown): void {
  function press(event: KeyboardEvent): void {
    if (event.defaultPrevented || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
    // A dialog over the page has its own keys.
    if (document.querySelector('[role="dialog"]')) return
    if (event.key === 's') save()
    else if (event.key === 'Enter') run()
    else return
    event.preventDefault()
  }
  addEventListener('keydown', press)
  onScopeDispose(() => removeEventListener('keydown', press))
}
