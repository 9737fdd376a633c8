import type en from '../en/overview'
import type { Same } from '../same'

export default {
  verdict: {
    good: '一切正常',
    warn: '有些情况需要查看',
    bad: '有运行出错',
  },
  lastDay: '最近 24 小时',
  failed: '没有失败的运行 | 1 次运行失败 | {count} 次运行失败',
  notRun: '1 个触发时刻没有运行 | {count} 个触发时刻没有运行',
  late: '1 次运行延迟 | {count} 次运行延迟',
  succeeded: '没有成功的运行 | 1 次运行成功 | {count} 次运行成功',
  paused: '调度器已暂停：所有计划都不会触发。',
  resume: '恢复',
  health: '健康状况',
  parts: { blobs: '存储', database: '数据库', interpreter: '沙箱', scheduler: '调度器', disk: '磁盘' },
  ok: '正常',
  perHour: '每小时运行次数',
  hour: '小时',
  now: '现在',
  groups: { succeeded: '成功', failed: '失败', notRun: '未运行', other: '其他' },
  running: '正在运行',
  nothingRuns: '当前没有运行。',
  failedLately: '最近的失败',
  nothingFailed: '最近 24 小时没有运行失败。',
  next: '即将触发',
  nothingNext: '未来 24 小时没有计划触发。',
  didNotHappen: '未按时运行',
  everythingHappened: '最近 24 小时的所有触发都已按时运行。',
  lateBy: '延迟 {duration} 启动',
  all: '查看全部',
  welcome: {
    title: '这里还没有内容',
    body: '脚本就是一个 Python 文件。Cronbox 在沙箱中运行它，可以按计划运行，并保存它返回的结果。',
    own: '上传或编写脚本',
  },
} satisfies Same<typeof en>
