// Move the line in the time plots with the active player.
(() => {
  const lines = () =>
    ["playhead: waveform", "playhead: spectrogram"]
      .map((name) => window.Bokeh?.documents[0]?.get_model_by_name(name))
      .filter((line) => line);
  for (const player of document.querySelectorAll("video, audio")) {
    const follow = () => lines().forEach((line) => { line.location = player.currentTime; });
    const tick = () => {
      follow();
      if (!player.paused) requestAnimationFrame(tick);
    };
    player.addEventListener("play", tick);
    player.addEventListener("seeked", follow);
  }
})();
