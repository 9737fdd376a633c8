import type en from '../en/scripts'
import type { Same } from '../same'

export default {
} satisfies Same<typeof en>
