import type { Card } from './card'
import { element, made, shown } from './dom'

/** Tells what the model is, from its card. All of it is text from a file, and stays text. */
export function showFacts(card: Card, bytes: number): void {
  const rows: [string, string][] = [
    ['Name', card.name],
    ['System', `${card.system}, written by tinyscene ${card.version}${card.created ? `, ${card.created.slice(0, 10)}` : ''}`],
    ['Classes', card.labels.slice(0, 40).map(shown).join(', ') + (card.labels.length > 40 ? `, and ${card.labels.length - 40} more` : '')],
    ['Sound', `${count(card.rate)} Hz, windows of ${seconds(card.window, card.rate)}${card.hop === card.window ? '' : `, one every ${seconds(card.hop, card.rate)}`}`],
    ['Size', sizes(card, bytes)],
    ['Measured', claims(card.claims)],
    ['Decides', decides(card)],
  ]
  element('facts').replaceChildren(...rows.flatMap(([key, value]) => [made('dt', key), made('dd', value)]))
  const n = card.labels.length
  element('model-line').textContent = `${card.name} · ${n} ${n === 1 ? 'class' : 'classes'} · ${kilobytes(bytes)}`
}

function sizes(card: Card, bytes: number): string {
  const { parameters, bytes: weights, macs } = card.complexity
  const told = [`${count(bytes)} bytes as a file`]
  if (isNumber(weights)) told.push(`${count(weights)} bytes of ${card.precision} network`)
  if (isNumber(parameters)) told.push(`${count(parameters)} parameters`)
  if (isNumber(macs)) told.push(`${short(macs)} MACs a window`)
  return told.join(', ')
}

function claims(told: Record<string, unknown>): string {
  const { accuracy, n, data, split } = told
  if (!isNumber(accuracy)) return 'nothing: its file makes no claim'
  const on = [isNumber(n) ? `${count(n)} clips` : '', typeof data === 'string' ? `of ${data}` : ''].filter(Boolean).join(' ')
  const where = typeof split === 'string' ? ` (${split})` : ''
  return `accuracy ${(100 * accuracy).toFixed(1)} %${on ? ` on ${on}` : ''}${where}`
}

function decides(card: Card): string {
  const sure = card.unknownBelow ? `unknown below ${card.unknownBelow}` : 'always, it has no threshold for unknown'
  return card.temperature === 1 ? sure : `${sure}, at temperature ${card.temperature.toFixed(2)}`
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function seconds(samples: number, rate: number): string {
  return `${Number((samples / rate).toPrecision(3))} s`
}

function short(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} million` : count(value)
}

function kilobytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
