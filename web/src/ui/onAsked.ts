/** Does what an address asks a page for (`?do=backfill`), so that other pages and the command palette can offer it. */
import { watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** Does it once, as soon as it is possible: the verb leaves the address, so that a reload does not do it again. */
export function onAsked(verb: string, work: () => void, isPossible: () => boolean = () => true): void {
  const route = useRoute()
  const router = useRouter()
  watch(
    () => route.query['do'] === verb && isPossible(),
    (isAsked) => {
      if (!isAsked) return
      void router.replace({ path: route.path, query: { ...route.query, do: undefined } })
      work()
    },
    { immediate: true },
  )
}
