import type en from '../en/shell'
import type { Same } from '../same'

export default {
  overview: '概览',
  scripts: '脚本',
  schedules: '计划',
  runs: '运行',
  charts: '图表',
  alerts: '告警',
  access: '权限',
  documents: '文档',
  navigation: '主导航',
  menu: '菜单',
  skip: '跳到正文',
  language: '语言',
  theme: '主题',
  themes: { system: '跟随系统', light: '浅色', dark: '深色' },
  logOut: '退出登录',
  connection: {
    lost: '服务器没有响应。显示的内容可能已过时；页面会自动重试。',
  },
  palette: {
    open: '搜索与命令',
    placeholder: '输入名称或命令',
    nothing: '没有结果。',
    go: '前往',
    commands: '命令',
    newScript: '新建脚本',
    newSchedule: '新建计划',
    run: '运行 {name}',
    choice: '{what}：{choice}',
    dashboard: '看板',
  },
} satisfies Same<typeof en>
