// Runs before the page is drawn, so that a chosen theme never flashes.
(() => {
    const kept = localStorage.getItem("theme");
    if (kept) document.documentElement.dataset.theme = kept;
})();
