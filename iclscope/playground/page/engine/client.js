// The page's end of the channel to the worker that trains.

/** Trains in a worker; see desk.js for what it does with each request. */
export class TrainingClient {
  /** @param {(message: object) => void} onMessage gets frames, parts of maps, and failures */
  constructor(onMessage) {
    this.worker = openedWorker();
    this.waiting = new Map();
    this.nextId = 0;
    this.worker.onmessage = ({ data }) => {
      if (data.type === "rows") {
        this.waiting.get(data.id)(data.rows);
        this.waiting.delete(data.id);
        return;
      }
      try {
        onMessage(data);
      } finally {
        if (data.type === "frame") this.worker.postMessage({ type: "drawn" });
      }
    };
    this.worker.onerror = (event) => onMessage({ type: "failed", message: event.message });
  }

  /** Begin a new training; with steps, run to that step and pause. */
  start(settings, { steps = 0, changes = [] } = {}) {
    this.worker.postMessage({ type: "start", settings, steps, changes });
  }

  /** Train until something stops it. */
  play() {
    this.worker.postMessage({ type: "play" });
  }

  /** Play no faster than so many steps per second; null: as fast as it goes. */
  pace(stepsPerSecond) {
    this.worker.postMessage({ type: "pace", stepsPerSecond });
  }

  pause() {
    this.worker.postMessage({ type: "pause" });
  }

  /** Take some steps, then pause. */
  step(count) {
    this.worker.postMessage({ type: "step", count });
  }

  /** Back to step 0, at the settings as they are now. */
  reset() {
    this.worker.postMessage({ type: "reset" });
  }

  /** Change settings that need no restart. */
  change(changed) {
    this.worker.postMessage({ type: "change", changed });
  }

  /** Which of the runs is shown in detail. */
  show(index) {
    this.worker.postMessage({ type: "show", index });
  }

  /** Ask a prompt that was edited. */
  setPrompt(domain, prompt) {
    this.worker.postMessage({ type: "prompt", domain, prompt });
  }

  /** Ask one of the library's test prompts. */
  drawPrompt(domain, number) {
    this.worker.postMessage({ type: "prompt", domain, prompt: number });
  }

  /** Measure a map at the weights as they are now. */
  measureMap(kind) {
    this.worker.postMessage({ type: "map", kind });
  }

  stopMap() {
    this.worker.postMessage({ type: "stopMap" });
  }

  /** Everything recorded so far. @returns {Promise<object[]>} */
  rows() {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.worker.postMessage({ type: "rows", id });
    });
  }

  close() {
    this.worker.terminate();
  }
}

/** A worker that runs the same text as the page: a file on disk may load no other. */
function openedWorker() {
  const library = document.getElementById("playground-library").textContent;
  const text = new Blob([library, "\nPlaygroundLibrary.serve(self);"], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(text));
}
