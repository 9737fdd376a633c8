/** One trigger that several views change. Its text is what is saved; what a view types stays as typed in that view. */
import { computed, ref, watch, type Ref } from 'vue'
import { writeText, type Core, type Options, type Trigger } from './model'
import { withCore } from './presets'
import { readText } from './text'

export function useTrigger(text: Ref<string>) {
  /** Nothing where only the text can show it. */
  const trigger = ref<Trigger | undefined>(readText(text.value))

  watch(text, (now) => {
    // A view may hold what is not finished: only a text from elsewhere is read.
    if (trigger.value && writeText(trigger.value) === now) return
    trigger.value = readText(now)
  })

  function write(next: Trigger): void {
    trigger.value = next
    text.value = writeText(next)
  }

  const setCore = (core: Core): void => write(withCore(trigger.value, core))

  function setOption<Name extends keyof Options>(name: Name, value: Options[Name] | undefined): void {
    if (!trigger.value) return
    const { [name]: _, ...rest } = trigger.value.options
    write({ core: trigger.value.core, options: value === undefined ? rest : { ...rest, [name]: value } })
  }

  const core = computed(() => trigger.value?.core)
  const options = computed<Options>(() => trigger.value?.options ?? {})
  return { trigger, core, options, setCore, setOption }
}
