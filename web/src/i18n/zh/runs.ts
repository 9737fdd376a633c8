import type en from '../en/runs'
import type { Same } from '../same'

export default {
} satisfies Same<typeof en>
