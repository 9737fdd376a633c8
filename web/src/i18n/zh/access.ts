import type en from '../en/access'
import type { Same } from '../same'

export default {
} satisfies Same<typeof en>
