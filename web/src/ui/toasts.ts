/** Short messages at the edge of the page: what was done, what went wrong. */
import { ref } from 'vue'
import { sentence } from './errors'

export interface Toast {
  id: number
  tone: 'good' | 'bad'
  text: string
}

export const toasts = ref<Toast[]>([])
let last = 0

function add(tone: Toast['tone'], text: string): void {
  last += 1
  toasts.value = [...toasts.value.slice(-3), { id: last, tone, text }]
}

export const said = (text: string): void => add('good', text)
export const failed = (error: unknown): void => add('bad', sentence(error))
export const dismiss = (id: number): void => {
  toasts.value = toasts.value.filter((toast) => toast.id !== id)
}

/** Does something for a press of a button; an error becomes a message. Says whether it went well. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    failed(error)
    return false
  }
}
