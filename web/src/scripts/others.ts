/** Components of other rooms, loaded when they are shown. One that is not there is left out. */
import { type Component, defineAsyncComponent } from 'vue'

const found = import.meta.glob<{ default: Component }>([
  '../runs/LiveOutput.vue',
  '../runs/ResultView.vue',
  '../runs/RunUsage.vue',
  '../runs/RunError.vue',
  '../charts/ScriptNumbers.vue',
])

function part(path: string): Component | undefined {
  const load = found[path]
  return load && defineAsyncComponent(load)
}

export const LiveOutput = part('../runs/LiveOutput.vue')
export const ResultView = part('../runs/ResultView.vue')
export const RunUsage = part('../runs/RunUsage.vue')
export const RunError = part('../runs/RunError.vue')
export const ScriptNumbers = part('../charts/ScriptNumbers.vue')
