/** Charts as files. */

/** A name that every file system takes. */
export function fileName(title: string, ending: string): string {
  const plain = title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 80)
  return `${plain || 'chart'}.${ending}`
}

/** A chart as a picture: its title, its canvas, and what each line is. */
export async function picture(
  chart: HTMLCanvasElement,
  title: string,
  lines: readonly { label: string; colour: string; dash: number[] }[],
  looks: { ground: string; text: string; font: string },
): Promise<Blob> {
  const scale = window.devicePixelRatio || 1
  const pad = 16 * scale
  const line = 20 * scale
  const canvas = document.createElement('canvas')
  canvas.width = chart.width + 2 * pad
  canvas.height = chart.height + 2 * pad + line * (2 + lines.length)
  const paper = canvas.getContext('2d')
  if (!paper) throw new Error('no canvas')
  paper.fillStyle = looks.ground
  paper.fillRect(0, 0, canvas.width, canvas.height)
  paper.fillStyle = looks.text
  paper.textBaseline = 'middle'
  paper.font = `600 ${15 * scale}px ${looks.font}`
  paper.fillText(title, pad, pad + line / 2, canvas.width - 2 * pad)
  paper.drawImage(chart, pad, pad + line * 1.5)
  paper.font = `${12.5 * scale}px ${looks.font}`
  lines.forEach((each, at) => {
    const y = pad + line * (2 + at) + chart.height + line / 2
    paper.strokeStyle = each.colour
    paper.lineWidth = 2.5 * scale
    paper.setLineDash(each.dash.map((length) => length * scale))
    paper.beginPath()
    paper.moveTo(pad, y)
    paper.lineTo(pad + 22 * scale, y)
    paper.stroke()
    paper.fillText(each.label, pad + 30 * scale, y, canvas.width - 2 * pad - 30 * scale)
  })
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no picture'))), 'image/png'))
}
