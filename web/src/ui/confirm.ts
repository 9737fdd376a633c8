/** Asks before something that cannot be undone: `if (await confirm({…})) …`. */
import { shallowRef } from 'vue'

export interface Question {
  title: string
  body: string
  /** The verb on the button: `Delete`, not `OK`. */
  action: string
  danger?: boolean
}

export const asked = shallowRef<(Question & { answer: (yes: boolean) => void }) | undefined>()

export function confirm(question: Question): Promise<boolean> {
  asked.value?.answer(false)
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (yes) => {
        asked.value = undefined
        resolve(yes)
      },
    }
  })
}
