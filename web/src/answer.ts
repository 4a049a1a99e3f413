import type { Card } from './card'
import { element, shown, write } from './dom'
import { SILENCE, UNKNOWN } from './stream'

/** The decision in large letters, and how sure it is. */
export class Answer {
  private readonly decision = element('decision')
  private readonly source = element('source')
  private readonly sureness = element('sureness')
  private readonly lead = element('lead')

  /** What is being heard, before there is a decision on it. */
  waiting(source: string, words: string): void {
    write(this.source, source)
    this.say(words, 'empty')
    this.sureness.hidden = true
    this.lead.hidden = true
  }

  /** The words of the page when there is no sound. */
  nothing(): void {
    this.waiting('Which scene is it?', 'Drop a sound, or listen.')
    this.lead.hidden = false
  }

  show(card: Card, decision: { label: number; score: number; scores: ArrayLike<number> }, windows: number): void {
    const { label, score, scores } = decision
    this.lead.hidden = true
    if (label === SILENCE) {
      this.say('silence', 'unsure')
      this.sureness.hidden = true
      return
    }
    let best = 0
    for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i
    this.say(label === UNKNOWN ? 'unknown' : shown(card.labels[label]!), label === UNKNOWN ? 'unsure' : '')
    const over = windows > 1 ? `, the mean of ${windows} windows` : ''
    write(
      element('sure-words'),
      label === UNKNOWN ? `nearest is ${shown(card.labels[best]!)} with ${score.toFixed(2)}, below ${card.unknownBelow}${over}` : `${score.toFixed(2)}${over}`,
    )
    element('fill').style.width = `${100 * score}%`
    element('tick').hidden = card.unknownBelow === 0
    element('tick').style.left = `${100 * card.unknownBelow}%`
    this.sureness.hidden = false
  }

  /** What the sound is called. */
  name(source: string): void {
    write(this.source, source)
  }

  private say(words: string, kind: '' | 'unsure' | 'empty'): void {
    write(this.decision, words)
    this.decision.className = `decision ${kind}`
  }
}
