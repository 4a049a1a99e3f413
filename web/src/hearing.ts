import { Answer } from './answer'
import type { Card } from './card'
import { csv } from './csv'
import { element, write } from './dom'
import { Engine, type Listener } from './engine'
import { History } from './history'
import type { Clip } from './messages'
import { Meter } from './meter'
import { Microphone } from './microphone'
import type { Columns } from './picture'
import { Player } from './player'
import { Reel } from './reel'
import { openSound, type Sound } from './sound_file'
import { mixed, SILENCE, type StreamDecision } from './stream'
import { DecisionTable } from './table'
import { Timeline } from './timeline'
import { levelDbfs } from './windows'
import { PageError } from './words'

const FILE_COLUMNS = 1200 // of the picture of a whole file
const LIVE_COLUMNS_A_S = 30
const LIVE_S = 30
const MOST_WAITING = 50 // blocks of a microphone: five seconds

export type State = 'empty' | 'ready' | 'working' | 'done' | 'listening'

/** One sound at a time, from a file or a microphone: through the engine, onto the page. */
export class Hearing {
  private readonly answer = new Answer()
  private readonly meter = new Meter()
  private readonly table = new DecisionTable()
  private readonly player = new Player((seconds) => this.timeline.point(seconds))
  private readonly timeline = new Timeline(
    (seconds) => this.player.seek(seconds),
    () => this.player.toggle(),
  )
  private card: Card | null = null
  private history: History | null = null
  private reel: Reel | null = null
  private clip: Clip | null = null
  private microphone: Microphone | null = null
  private source = ''
  private seconds = 0
  private turn = 0 // grows with each sound, so that what was asked for an older one is dropped
  private times: number[] = []
  private heardAt = 0

  /** `tell` shows words to the user, '' clears them. */
  constructor(
    private readonly engine: Engine,
    private readonly tell: (words: string) => void,
  ) {
    element('download').addEventListener('click', () => this.download())
  }

  /** Another model; the sound before it is let go. */
  setModel(card: Card): void {
    this.stopMicrophone()
    this.turn += 1
    this.card = card
    this.history = this.reel = this.clip = null
    this.player.close()
    this.timeline.setModel(card)
    this.table.clear()
    this.meter.reset()
    this.answer.nothing()
    this.state('ready')
  }

  get listening(): boolean {
    return this.microphone !== null
  }

  /** Throws PageError when the file cannot be used; what was shown before then stays. */
  async openFile(file: File): Promise<void> {
    const card = this.card
    if (!card) throw new PageError('There is no model yet: open one first (a .onnx file of tinyscene export --form waveform).')
    const turn = ++this.turn
    this.stopMicrophone()
    const before = document.body.dataset['state'] as State
    this.state('working')
    let sound: Sound
    try {
      sound = await openSound(file, card.rate)
    } catch (error) {
      if (turn === this.turn) this.state(before === 'working' || before === 'listening' ? 'ready' : before)
      throw error
    }
    if (turn !== this.turn) return
    const columnSamples = Math.max(256, Math.ceil(sound.frames / FILE_COLUMNS))
    const seconds = sound.frames / sound.rate
    this.begin(card, file.name, sound.rate, columnSamples, FILE_COLUMNS, seconds)
    this.seconds = seconds
    this.answer.waiting(file.name, 'Hearing it…')
    this.player.open(file)
    if (sound.rate < card.rate) this.tell(tooLow(`“${file.name}” has`, sound.rate, card.rate))
    for (let at = 0; at < sound.frames; at += sound.rate) {
      await this.engine.room()
      const block = await sound.block(at, sound.rate)
      if (turn !== this.turn) return
      this.engine.feed(block)
    }
    this.engine.flush()
  }

  /** Throws PageError when there is no microphone to listen to. */
  async listen(): Promise<void> {
    const card = this.card
    if (!card) throw new PageError('There is no model yet: open one first.')
    const turn = ++this.turn
    this.player.close()
    this.state('working')
    let told = false
    const microphone = await Microphone.open(
      (block) => {
        if (turn !== this.turn || !this.microphone) return // it has not begun, or is over
        const [mono, loudest] = mixed(block, card.channels)
        this.meter.show(levelDbfs(mono), loudest.reduce((sum, flag) => sum + flag, 0) / loudest.length)
        this.seconds += mono.length / this.microphone.rate
        this.heardAt = performance.now()
        if (this.engine.waiting < MOST_WAITING) return this.engine.feed(block)
        if (!told) this.tell('This machine is too slow for the model: some sound is left out.')
        told = true
      },
      () => {
        this.tell('The microphone was unplugged. Connect it and press Listen again.')
        this.stop()
      },
    ).catch((error: unknown) => {
      if (turn === this.turn) this.state(this.history ? 'done' : 'ready')
      throw error
    })
    if (turn !== this.turn) return microphone.close()
    this.microphone = microphone
    const span = Math.max(LIVE_S, Math.ceil((12 * card.hop) / card.rate))
    const columns = Math.min(LIVE_COLUMNS_A_S * span, 2000)
    this.begin(card, microphone.name, microphone.rate, Math.round((microphone.rate * span) / columns), columns + 30, span)
    this.answer.waiting(microphone.name, 'Listening…')
    this.heardAt = performance.now()
    if (microphone.rate < card.rate) this.tell(tooLow('The microphone gives', microphone.rate, card.rate))
    this.state('listening')
    this.roll(turn)
  }

  /** Ends listening; what was heard stays. */
  stop(): void {
    if (!this.microphone) return
    this.stopMicrophone()
    this.engine.flush()
    this.state('working')
  }

  private stopMicrophone(): void {
    this.microphone?.close()
    this.microphone = null
  }

  private begin(card: Card, source: string, rate: number, columnSamples: number, columns: number, seconds: number): void {
    this.source = source
    this.seconds = 0
    this.clip = null
    this.times = []
    this.history = new History(card.labels.length)
    this.reel = new Reel(columns, columnSamples / rate)
    this.timeline.setSound(this.reel, this.history, seconds)
    this.table.clear()
    this.meter.reset()
    this.engine.begin(rate, columnSamples, this.microphone === null, this.listener(card))
  }

  private listener(card: Card): Listener {
    const live = this.microphone !== null
    return {
      heard: (decisions: StreamDecision[], columns: Columns | null) => {
        if (columns) this.reel!.add(columns)
        for (const decision of decisions) {
          this.history!.add(decision)
          if (decision.label !== SILENCE) this.times.push(decision.ms)
        }
        if (this.times.length > 40) this.times.splice(0, this.times.length - 40)
        if (!live || !decisions.length) this.timeline.draw()
        const newest = decisions.at(-1)
        if (!newest) return
        this.timeline.decided()
        this.table.update(card, this.history!)
        this.speed(card)
        element<HTMLButtonElement>('download').disabled = false
        if (live) {
          this.answer.show(card, newest, 1)
          if (newest.label === SILENCE) this.tell('Digital silence comes from the microphone. Is it muted, or not allowed for this browser?')
        } else this.meter.show(newest.level, newest.clipped)
      },
      ended: (clip: Clip | null) => {
        this.clip = live ? null : clip
        this.state('done')
        if (live) return
        this.timeline.setMean(clip?.scores ?? null)
        this.answer.show(card, clip ?? { label: SILENCE, score: 0, scores: [] }, clip?.windows ?? 0)
        if (!clip) this.tell('This file is digital silence: there is nothing to hear in it. Check the recording.')
        this.whole()
      },
      failed: (words: string) => {
        this.stopMicrophone()
        this.tell(words)
        this.player.close()
        this.answer.nothing()
        this.state('ready')
      },
    }
  }

  /** The level and clipping of the whole file. */
  private whole(): void {
    const history = this.history!
    let power = 0
    let clipped = 0
    for (let i = history.first; i < history.length; i++) {
      const decision = history.at(i)
      power += 10 ** (decision.level / 10)
      clipped += decision.clipped
    }
    const n = Math.max(1, history.length - history.first)
    this.meter.reset()
    this.meter.show(10 * Math.log10(Math.max(power / n, 1e-12)), clipped / n)
  }

  private speed(card: Card): void {
    if (!this.times.length) return
    const median = this.times.toSorted((a, b) => a - b)[this.times.length >> 1]!
    const faster = (1000 * card.hop) / card.rate / median
    write(element('speed-words'), `${median.toFixed(median < 10 ? 1 : 0)} ms per window, ${faster < 10 ? faster.toFixed(1) : Math.round(faster)} × real time`)
  }

  /** The picture moves with the clock, not with the blocks. */
  private roll(turn: number): void {
    if (turn !== this.turn || !this.microphone) return
    const since = Math.min((performance.now() - this.heardAt) / 1000, 0.2)
    this.timeline.roll(Math.max(0, this.seconds + since - 0.15))
    requestAnimationFrame(() => this.roll(turn))
  }

  private state(state: State): void {
    document.body.dataset['state'] = state
    const listening = state === 'listening'
    element('listen').setAttribute('aria-pressed', String(listening))
    write(element('listen-word'), listening ? 'Stop' : 'Listen')
    element<HTMLButtonElement>('download').disabled = !this.history?.length
  }

  private download(): void {
    if (!this.card || !this.history) return
    const link = document.createElement('a')
    link.href = URL.createObjectURL(csv(this.card, this.source, this.history, this.clip, this.seconds))
    link.download = 'tinyscene-decisions.csv'
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }
}

function tooLow(what: string, came: number, takes: number): string {
  return (
    `${what} ${came.toLocaleString('en')} Hz and the model takes ${takes.toLocaleString('en')} Hz: ` +
    `what lies above ${(came / 2).toLocaleString('en')} Hz is missing, so answers may be wrong.`
  )
}
