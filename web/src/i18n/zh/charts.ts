import type en from '../en/charts'
import type { Same } from '../same'

export default {
} satisfies Same<typeof en>
