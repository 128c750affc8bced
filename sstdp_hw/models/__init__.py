"""What hardware will cost before it is made: cycles, area, work, and the choice between them."""
