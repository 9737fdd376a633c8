import type en from '../en/overview'
import type { Same } from '../same'

export default {
} satisfies Same<typeof en>
