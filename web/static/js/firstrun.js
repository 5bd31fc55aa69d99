// The first steps turn into the page of the deploy when the first push
// arrives. A deploy that was there when the page came is only linked to.
const known = document.getElementById("first").dataset.deploy;

document.addEventListener("page:changed", (e) => {
  const { deploy, turn } = e.target.dataset;
  if (e.target.id === "first" && turn && deploy !== known) location.assign(turn);
});
