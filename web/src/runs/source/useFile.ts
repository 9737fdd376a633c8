/** The source of a script's version, as the run had it. */
import { computed } from 'vue'
import { useSource } from '../../scripts/queries'

/** The text of a file of a version; nothing: the version has none of that name, or it cannot be read. */
export function useFile(script: () => string, version: () => number | null, file: () => string) {
  const source = useSource(script, () => version() ?? undefined)
  return computed(() => {
    const known = source.data.value
    // A version of one file has no folder: whatever the error calls it, it is that file.
    const bytes = known?.files.get(known.kind === 'zip' ? file() : known.main)
    return bytes && new TextDecoder().decode(bytes)
  })
}
