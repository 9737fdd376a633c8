/** Parts of other rooms, loaded when they are shown. One that is not there is left out. */
import { type Component, defineAsyncComponent } from 'vue'

const components = import.meta.glob<{ default: Component }>(['../ui/args/ArgsForm.vue'])
const load = components['../ui/args/ArgsForm.vue']
/** The arguments of a run as a form or as JSON; `check()` says whether they are right. */
export const ArgsForm = load && defineAsyncComponent(load)

type Zip = { filesOfZip: (bytes: Uint8Array<ArrayBuffer>) => Promise<Map<string, Uint8Array<ArrayBuffer>>> }
const modules = import.meta.glob<Zip>(['../scripts/zip.ts'])

/** The files of an archive; undefined: archives cannot be read. */
export async function filesOfZip(bytes: Uint8Array<ArrayBuffer>): Promise<Map<string, Uint8Array<ArrayBuffer>> | undefined> {
  const zip = await modules['../scripts/zip.ts']?.()
  return zip?.filesOfZip(bytes)
}
