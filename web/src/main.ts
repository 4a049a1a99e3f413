import './style.css'
import { element, write } from './dom'
import { Engine } from './engine'
import { showFacts } from './facts'
import { Hearing } from './hearing'
import { prepare } from './microphone'
import { readModelFile } from './model_file'
import { PageError, wordsOf } from './words'

const notice = element('notice')
const soundInput = element<HTMLInputElement>('sound-input')
const modelInput = element<HTMLInputElement>('model-input')

function tell(words: string): void {
  notice.textContent = words
  notice.hidden = !words
}

/** Runs what a user asked for; what goes wrong is told in words. */
async function attempt(task: () => Promise<void> | void): Promise<void> {
  tell('')
  try {
    await task()
  } catch (error) {
    if (!(error instanceof PageError)) console.error(error)
    tell(wordsOf(error))
  }
}

function start(): void {
  const engine = new Engine()
  const hearing = new Hearing(engine, tell)

  async function useModel(data: Uint8Array<ArrayBuffer>): Promise<void> {
    const card = await readModelFile(data)
    await engine.open(data, card)
    hearing.setModel(card)
    showFacts(card, data.length)
    element<HTMLButtonElement>('open').disabled = false
    element<HTMLButtonElement>('listen').disabled = false
  }

  async function take(file: File): Promise<void> {
    if (/\.onnx$/i.test(file.name)) await useModel(new Uint8Array(await file.arrayBuffer()))
    else await hearing.openFile(file)
  }

  async function beside(): Promise<void> {
    let answer: Response | null = null
    try {
      answer = await fetch('./model.onnx')
    } catch {
      // told below: no model came
    }
    if (!answer?.ok) {
      write(element('model-line'), 'no model')
      throw new PageError('No model lies beside this page. Open or drop one: a .onnx file of tinyscene export RUN --form waveform')
    }
    try {
      await useModel(new Uint8Array(await answer.arrayBuffer()))
    } catch (error) {
      write(element('model-line'), 'no model')
      throw error
    }
  }

  element('open').addEventListener('click', () => soundInput.click())
  element('other-model').addEventListener('click', () => modelInput.click())
  element('listen').addEventListener('click', () => void attempt(() => (hearing.listening ? hearing.stop() : hearing.listen())))
  for (const input of [soundInput, modelInput])
    input.addEventListener('change', () => {
      const file = input.files?.[0]
      input.value = '' // the same file may be chosen again
      if (file) void attempt(() => take(file))
    })
  takeDrops((files) =>
    void attempt(async () => {
      if (!files[0]) throw new PageError('What was dropped is no file. Drop a sound (wav, mp3, ogg, flac, m4a) or a model (.onnx).')
      await take(files[0])
      if (files.length > 1) tell(`One at a time: “${files[0].name}” was taken, the first of ${files.length}.`)
    }),
  )
  document.body.dataset['state'] = 'empty'
  prepare()
  void attempt(beside)
}

/** Files may be dropped anywhere on the page. */
function takeDrops(taken: (files: File[]) => void): void {
  const sheet = element('drop')
  let depth = 0
  addEventListener('dragenter', () => (sheet.hidden = ++depth <= 0))
  addEventListener('dragleave', () => (sheet.hidden = --depth <= 0))
  addEventListener('dragover', (event) => event.preventDefault())
  addEventListener('drop', (event) => {
    event.preventDefault()
    depth = 0
    sheet.hidden = true
    taken(Array.from(event.dataTransfer?.files ?? []))
  })
}

if (typeof WebAssembly !== 'object' || typeof Worker !== 'function') {
  write(element('model-line'), 'no model')
  tell('This browser has no WebAssembly, or it is switched off, so no model can run in it. Use a current Firefox, Chrome, Edge or Safari.')
} else start()
