import type en from '../en/charts'
import type { Same } from '../same'

export default {
  result: '结果',
  noValues: '这里还没有数值。',
  help: '左右方向键在数值间移动，上下方向键切换曲线，加号和减号缩放，Esc 显示全部，回车打开对应的运行。',
  openRun: '点击查看该次运行',
  openRuns: '{count} 个值，点击查看对应的运行 | {count} 个值，点击查看对应的运行',
  time: '时间',
  tableOf: '{chart} 的数值',
  tableShows: '仅显示最近 {shown} 个时间点，共 {all} 个。CSV 文件包含全部数据。',
  scale: { left: '左轴', right: '右轴' },
  tools: {
    all: '显示全部',
    in: '放大',
    out: '缩小',
    table: '以表格显示数值',
    png: '下载 PNG',
    csv: '下载 CSV',
  },
  numbers: {
    title: '结果中的数值',
    empty: '结果中还没有数值',
    emptyBody: '当脚本返回一个数字，或包含数字的字典时，每个数字都会在这里有一张图表。例如：',
    showAll: '再显示 {count} 个 | 再显示 {count} 个',
    showFewer: '收起',
    open: '打开为图表',
    last: '最新值',
  },
} satisfies Same<typeof en>
