import type en from '../en/schedules'
import type { Same } from '../same'

export default {
} satisfies Same<typeof en>
