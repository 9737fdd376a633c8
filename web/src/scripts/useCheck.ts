/** Asks the server about a text while it is written: syntax errors and warnings, at their lines. */
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { useLater } from '../ui/later'
import { check, type Checked, type Content } from './publish'

/** The wait after the last key, in milliseconds. */
const WAIT = 500
/** Requirements are looked up in an index: half-written names are not worth that. */
const WAIT_FOR_PACKAGES = 2500

/** The lines that name packages. */
export const requirementsOf = (text: string): string => /^# \/\/\/ script\s*$[\s\S]*?^# \/\/\/\s*$/m.exec(text)?.[0] ?? ''

export function useCheck(
  asked: () => { name: string; content: Content } | undefined,
  isWanted: () => boolean,
) {
  const checked = shallowRef<Checked>()
  /** The last answer about a text without an error: what the form of its parameters is made from. */
  const good = shallowRef<Checked>()
  const checking = ref(false)
  const later = useLater()
  let going: AbortController | undefined
  let requirements = ''

  async function ask(): Promise<void> {
    const now = asked()
    if (!now || !isWanted()) return
    going?.abort()
    going = new AbortController()
    const { signal } = going
    checking.value = true
    try {
      const answer = await check(now.name, now.content, signal)
      if (signal.aborted) return
      checked.value = answer
      if (!answer.problem) good.value = answer
    } catch {
      // Not reached, or not now: the last answer stays, and saving will say why.
    } finally {
      if (!signal.aborted) checking.value = false
    }
  }

  watch(
    () => [asked()?.name, asked()?.content.body, isWanted()] as const,
    ([, body, wanted]) => {
      if (!wanted) {
        later.stop()
        going?.abort()
        checking.value = false
        checked.value = undefined
        good.value = undefined
        return
      }
      const now = typeof body === 'string' ? requirementsOf(body) : ''
      const wait = now === requirements ? WAIT : WAIT_FOR_PACKAGES
      later.call(wait, () => {
        requirements = now
        void ask()
      })
    },
    { immediate: true },
  )
  onScopeDispose(() => going?.abort())
  return { checked, good, checking }
}
