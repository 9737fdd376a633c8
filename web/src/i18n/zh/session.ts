import type en from '../en/session'
import type { Same } from '../same'

export default {
  title: '登录 Cronbox',
  ended: '会话已结束。请重新登录：您输入的内容仍然保留。',
  token: '令牌',
  hint: '由 “cronbox token create” 生成，或由管理员提供。',
  logIn: '登录',
} satisfies Same<typeof en>
